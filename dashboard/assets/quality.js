/* Buttons of a table of contents: to a section of the page, and the focus with it. */
(function () {
  "use strict";
  document.addEventListener("click", (event) => {
    const button = event.target.closest && event.target.closest("button[data-to]");
    const there = button && document.getElementById(button.dataset.to);
    if (there) { there.scrollIntoView({ block: "start" }); there.focus({ preventScroll: true }); }
  });
  window.addEventListener("beforeprint", () => document.querySelectorAll(".doc details").forEach((one) => { one.open = true; }));
})();
