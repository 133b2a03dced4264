// Before the first paint, so that it never flashes in the wrong colours.
(() => {
  const chosen = localStorage.getItem("atoll-theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
