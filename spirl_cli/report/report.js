"use strict";
// Switch a condition on and off in all charts.
document.querySelectorAll(".legend input").forEach((box) => {
  box.addEventListener("change", () => {
    document.querySelectorAll(`[data-line="${box.value}"]`).forEach((one) => one.classList.toggle("off", !box.checked));
  });
});
// Sort a table by the column whose head is pressed; a second press turns the order round.
document.querySelectorAll("th button").forEach((button) => {
  button.addEventListener("click", () => {
    const head = button.closest("th"), body = head.closest("table").tBodies[0], column = head.cellIndex;
    const down = head.getAttribute("aria-sort") === "ascending";
    const value = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent;
    const compare = (a, b) => (isNaN(a) || isNaN(b) ? a.localeCompare(b) : a - b);
    const rows = [...body.rows].sort((a, b) => (down ? -1 : 1) * compare(value(a), value(b)));
    head.parentElement.querySelectorAll("th").forEach((one) => one.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    body.append(...rows);
  });
});
// Mean or interquartile mean, in all charts.
document.querySelectorAll(".statistic input").forEach((choice) => {
  choice.addEventListener("change", () => (document.documentElement.dataset.statistic = choice.value));
});
