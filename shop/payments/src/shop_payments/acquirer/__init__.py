"""A simulated card acquirer: what stands at the other end of the `PaymentProvider` port until a real one does.

Its one type is `SimulatedAcquirer`, with books of its own that commit by themselves, as a foreign company's do.
It must not import the payment service's own books: they know each other through the port alone.
"""

from shop_payments.acquirer.simulated import SimulatedAcquirer
from shop_payments.acquirer.vault import MemoryVault, Vault

__all__ = ["MemoryVault", "SimulatedAcquirer", "Vault"]
