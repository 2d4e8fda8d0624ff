// The preview of a template: follows the form, and shows the message with the values that are typed for its
// variables. A value is put in as it is, as the server does it.
(() => {
  "use strict";
  const preview = document.getElementById("preview");
  if (!preview) return;
  const form = document.getElementById("template-form");
  const find = (name) => preview.querySelector(`[data-${name}]`);
  const place = find("values");
  const values = new Map();
  const NAME = /^[\p{L}\p{N}_]{1,64}$/u;

  // The parts of a text: words, and the names of variables; null when it is no template.
  function parse(text) {
    const parts = [];
    let rest = text;
    for (let open = rest.indexOf("{{"); open >= 0; open = rest.indexOf("{{")) {
      const close = rest.indexOf("}}", open + 2);
      const name = close < 0 ? "" : rest.slice(open + 2, close).trim();
      if (!NAME.test(name)) return null;
      if (open > 0) parts.push({ words: rest.slice(0, open) });
      parts.push({ name });
      rest = rest.slice(close + 2);
    }
    if (rest) parts.push({ words: rest });
    return parts;
  }

  // Whoever may only look has no form: the page's own texts are shown with values.
  const texts = { media: "", text: "", footer: "" };
  const buttons = Array.from(preview.querySelectorAll("[data-button]"), (button) => ({ button, text: button.textContent }));
  for (const name of Object.keys(texts)) texts[name] = find(name).textContent;
  const current = (name) => (form ? form.elements[name].value : texts[name]);

  function draw(element, parts, raw) {
    element.hidden = !raw;
    element.replaceChildren(...(parts || [{ words: raw }]).map(({ words, name }) => {
      if (name === undefined) return document.createTextNode(words);
      if (values.get(name)) return document.createTextNode(values.get(name));
      const mark = document.createElement("mark");
      mark.textContent = `{{${name}}}`;
      return mark;
    }));
  }

  // A field for each variable; those that stay keep what was typed.
  function fields(names) {
    const known = Array.from(place.querySelectorAll("input"), (input) => input.dataset.variable);
    if (known.join("\n") === names.join("\n")) return;
    place.replaceChildren(...names.flatMap((name, index) => {
      const label = document.createElement("label");
      const input = document.createElement("input");
      label.textContent = name;
      label.htmlFor = input.id = `value-${index}`;
      input.dataset.variable = name;
      input.autocomplete = "off";
      input.value = values.get(name) || "";
      input.addEventListener("input", () => { values.set(name, input.value); show(); });
      return [label, input];
    }));
  }

  function show() {
    const names = [];
    let broken = false;
    const each = (element, raw) => {
      const parts = parse(raw);
      broken ||= parts === null;
      for (const { name } of parts || []) if (name !== undefined && !names.includes(name)) names.push(name);
      draw(element, parts, raw);
    };
    for (const name of Object.keys(texts)) each(find(name), current(name));
    for (const { button, text } of buttons) each(button, text);
    const problem = broken ? preview.dataset.broken : "";
    if (find("problem").textContent !== problem) find("problem").textContent = problem;
    if (!broken) fields(names);
    find("hint").hidden = names.length === 0;
    find("none").hidden = names.length > 0 || broken;
  }

  if (form) form.addEventListener("input", show);
  show();
})();
