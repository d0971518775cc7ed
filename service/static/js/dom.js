// Elements, made without markup in strings: what comes from outside is always text.

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

// What the service wrote into the page: addresses and names that need no request.
export const pageData = JSON.parse(byId("page-data").textContent);

// What a person who does not see the page should hear.
export function say(text) {
  byId("said").textContent = text;
}

// Replaces the options of a select, keeping the choice where it is still there.
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
