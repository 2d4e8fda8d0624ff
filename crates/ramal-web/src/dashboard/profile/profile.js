// The profile: the preview follows the form, colours that are hard to read are told, logos go up without
// leaving the page.
(() => {
  "use strict";
  const form = document.getElementById("brand-form");
  const preview = document.getElementById("preview");
  const advice = document.getElementById("contrast");
  const logo = document.getElementById("logo-url");
  const SHOWN = ["logoUrl", "primaryColor", "backgroundColor", "companyName", "subtitle", "supportUrl", "hidePilotStatusBranding"];
  const isColour = (text) => /^#[0-9a-f]{6}$/i.test(text);

  // WCAG 2.2: the same as the connect page does with what it is given.
  const luminance = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
    .reduce((sum, value, at) => sum + value * [0.2126, 0.7152, 0.0722][at], 0);
  const contrast = (one, two) => {
    const [low, high] = [luminance(one), luminance(two)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  function warn() {
    const [colour, ground] = [form.elements.primaryColor.value, form.elements.backgroundColor.value];
    const said = [];
    if (isColour(colour)) {
      const dark = isColour(ground) ? luminance(ground) < 0.05 : undefined;
      const cards = [["#ffffff", form.dataset.light, dark !== true], ["#18201d", form.dataset.dark, dark !== false]];
      for (const [card, name, used] of cards) {
        const ratio = contrast(colour, card);
        const text = ratio < 3 ? form.dataset.faint : form.dataset.weak;
        if (used && ratio < 4.5) said.push(text.replace("{on}", name));
      }
    }
    advice.textContent = said.join(" ");
  }

  let wait = null;
  let shown = new URL(preview.src).search;
  function show() {
    const query = new URLSearchParams();
    for (const name of SHOWN) {
      const field = form.elements[name];
      const value = field.type === "checkbox" ? (field.checked ? "true" : "") : field.value.trim();
      if (value && (!name.endsWith("Color") || isColour(value))) query.set(name, value);
    }
    const search = query.toString() ? "?" + query : "";
    if (search === shown) return;
    shown = search;
    preview.contentWindow.location.replace("/profile/preview" + search);
  }
  function follow() {
    warn();
    clearTimeout(wait);
    wait = setTimeout(show, 250);
  }
  form.addEventListener("input", follow);

  for (const picker of form.querySelectorAll("input[type=color]")) {
    const text = document.getElementById(picker.dataset.of);
    if (text.readOnly) continue;
    picker.hidden = false;
    picker.addEventListener("input", () => { text.value = picker.value; });
    text.addEventListener("input", () => { if (isColour(text.value)) picker.value = text.value; });
  }
  warn();

  const uploading = document.getElementById("logo-form");
  if (!uploading) return;
  const remove = document.getElementById("logo-remove");
  const said = document.getElementById("logo-said");
  const look = () => { remove.hidden = !logo.value; };
  logo.addEventListener("input", look);
  remove.addEventListener("click", () => { logo.value = ""; look(); follow(); logo.focus(); });
  look();
  uploading.addEventListener("submit", async (event) => {
    event.preventDefault();
    said.classList.remove("problem");
    try {
      const answer = await window.ramal.post(uploading.action, new FormData(uploading));
      const data = await answer.json();
      if (!answer.ok) throw new Error(data.error);
      logo.value = "/logos/" + data.key;
      said.textContent = said.dataset.uploaded;
      look();
      follow();
    } catch (error) {
      said.textContent = error.message;
      said.classList.add("problem");
    }
  });
})();
