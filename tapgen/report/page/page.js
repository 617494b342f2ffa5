
"use strict";
(() => {
  const steps = [...document.querySelectorAll(".step")];
  const printed = new Set();
  addEventListener("beforeprint", () => {
    for (const one of document.querySelectorAll("details:not([open])")) { printed.add(one); one.open = true; }
  });
  addEventListener("afterprint", () => {
    for (const one of printed) { one.open = false; }
    printed.clear();
  });
  // A link into what is folded unfolds it.
  addEventListener("hashchange", () => {
    const place = document.getElementById(location.hash.slice(1));
    for (let one = place; one; one = one.parentElement) { if (one.tagName === "DETAILS") { one.open = true; } }
    if (place) { place.scrollIntoView(); }
  });
  const form = document.getElementById("filters");
  if (!form) { return; }
  const changes = [...document.querySelectorAll("[data-where]")];
  const said = form.querySelector("output");
  const isIn = (numbers, account) => numbers.split(",").some((range) => {
    const [first, last] = range.split("-").map(Number);
    return first <= account && account <= (last === undefined ? first : last);
  });
  const isAt = (where, region, account) => where.split(" ").some((one) => {
    const [name, numbers] = one.split(":");
    return (!region || name === region) && (account === "" || isIn(numbers, Number(account)));
  });
  const fits = (one, wanted) => (!wanted.part || one.dataset.part === wanted.part)
    && (!wanted.kind || one.dataset.kinds.split(" ").includes(wanted.kind))
    && isAt(one.dataset.where, wanted.region, wanted.account);
  const filter = () => {
    const wanted = Object.fromEntries(["part", "region", "account", "kind"].map((name) => [name, form.elements[name].value]));
    const shown = changes.filter((one) => { one.hidden = !fits(one, wanted); return !one.hidden; });
    for (const selector of [".step", ".wave"]) {
      for (const one of document.querySelectorAll(selector)) { one.hidden = !one.querySelector("[data-where]:not([hidden])"); }
    }
    said.textContent = `${shown.length} of ${changes.length} changes shown`;
  };
  form.addEventListener("change", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(filter));
  for (const button of form.querySelectorAll("[data-open]")) {
    button.addEventListener("click", () => { for (const one of steps) { one.open = Boolean(button.dataset.open); } });
  }
  form.hidden = false;
  filter();
})();
