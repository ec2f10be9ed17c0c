// Makes elements. Text is always text: nothing here takes markup.
export function make(tag, attributes = {}, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") e.addEventListener(name, value);
    else if (value !== undefined && value !== false) e.setAttribute(name, value);
  }
  e.append(...children.flat().filter((c) => c !== undefined && c !== null && c !== false));
  return e;
}

export const at = (id) => document.getElementById(id);

export function fill(e, ...children) {
  e.replaceChildren(...children.flat().filter((c) => c !== undefined && c !== null && c !== false));
}
