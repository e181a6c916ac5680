/** Elements in one expression. */

type Child = Node | string | null | undefined | false;

type Properties<K extends keyof HTMLElementTagNameMap> = Partial<Omit<HTMLElementTagNameMap[K], "style" | "dataset">> & {
  readonly data?: Readonly<Record<string, string>>;
  readonly aria?: Readonly<Record<string, string>>;
  readonly role?: string;
};

/** `h("button", { onclick }, "Clear")`: properties are those of the element; `data` and `aria` are attributes of these families. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Properties<K> | null = null,
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  const { data, aria, role, ...rest } = properties ?? {};
  Object.assign(element, rest);
  for (const [name, value] of Object.entries(data ?? {})) {
    element.dataset[name] = value;
  }
  for (const [name, value] of Object.entries(aria ?? {})) {
    element.setAttribute(`aria-${name}`, value);
  }
  if (role) {
    element.setAttribute("role", role);
  }
  element.append(...children.filter((child): child is Node | string => child !== null && child !== undefined && child !== false));
  return element;
}

/** A titled part of the page. */
export function section(id: string, title: string, ...children: Child[]): HTMLElement {
  const heading = h("h2", { id: `${id}-title` }, title);
  const element = h("section", { id, aria: { labelledby: heading.id } }, heading, ...children);
  return element;
}

/** `(28, 28, 1)` of a shape, without its batch. */
export function shapeText(shape: readonly number[]): string {
  return `(${shape.slice(1).join(", ")})`;
}

/** Milliseconds in the unit that reads best. */
export function msText(ms: number): string {
  return ms < 1 ? `${(ms * 1000).toFixed(0)} µs` : ms < 1000 ? `${ms.toPrecision(3)} ms` : `${(ms / 1000).toFixed(2)} s`;
}

/** Bytes in the unit that reads best. */
export function bytesText(bytes: number): string {
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(0)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
