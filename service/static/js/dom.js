// Creates elements without markup in strings, so that outside content is always text.

export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "vars") for (const [key, property] of Object.entries(value)) element.style.setProperty(key, property);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export const byId = (id) => document.getElementById(id);

// Data that the service embeds in the page: addresses and names that need no request.
export const pageData = JSON.parse(byId("page-data").textContent);

// Announces a text to screen readers.
export function announce(text) {
  byId("said").textContent = text;
}

// Replaces the options of a select and keeps the current choice if it is still offered.
export function fill(select, groups, preferred) {
  const before = select.value;
  select.replaceChildren(
    ...groups
      .filter(({ options }) => options.length)
      .flatMap(({ label, options }) => {
        const items = options.map(({ value, text, disabled }) => el("option", { value, disabled }, text ?? value));
        return label ? [el("optgroup", { label }, items)] : items;
      }),
  );
  const values = [...select.options].filter((option) => !option.disabled).map((option) => option.value);
  select.value = values.includes(before) ? before : values.includes(preferred) ? preferred : (values[0] ?? "");
}
