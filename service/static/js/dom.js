// Creates elements without markup in strings, so that outside content is always text.

export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "vars") for (const [key, given] of Object.entries(value)) made.style.setProperty(key, given);
    else if (name === "value") made.value = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

export function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export const byId = (id) => document.getElementById(id);

// Data that the service embeds in the page: addresses and names that need no request.
export const pageData = JSON.parse(byId("page-data").textContent);

// Announces a text to screen readers.
export function say(text) {
  byId("said").textContent = text;
}

// Replaces the options of a select and keeps the current choice if it is still offered.
export function fill(select, groups, preferred) {
  const before = select.value;
  select.replaceChildren(
    ...groups
      .filter(({ options }) => options.length)
      .flatMap(({ label, options }) => {
        const made = options.map(({ value, text, disabled }) => el("option", { value, disabled }, text ?? value));
        return label ? [el("optgroup", { label }, made)] : made;
      }),
  );
  const values = [...select.options].filter((option) => !option.disabled).map((option) => option.value);
  select.value = values.includes(before) ? before : values.includes(preferred) ? preferred : (values[0] ?? "");
}
