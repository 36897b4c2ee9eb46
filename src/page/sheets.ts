// Gives the terminal its styles where the page allows none in its text: what xterm.js puts into style elements goes into sheets that
// scripts make, and what it puts into style attributes goes there by the object model. Neither can come from the network
// (CSP3, section 8.3), so that style-src needs no 'unsafe-inline'.

type Create = (name: string, options?: ElementCreationOptions) => HTMLElement;

/** Stands in a style element's place, shows nothing, and has its text in a sheet. */
function sheetElement(create: Create): HTMLElement {
  const element = create('template');
  const sheet = new CSSStyleSheet();
  let text = '';
  document.adoptedStyleSheets.push(sheet);
  Object.defineProperty(element, 'textContent', {
    get: () => text,
    set: (value: string) => {
      text = value;
      sheet.replaceSync(value);
    },
  });
  element.remove = () => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((one) => one !== sheet);
    Element.prototype.remove.call(element);
  };
  return element;
}

export function allowStyles(): void {
  const create: Create = document.createElement.bind(document);
  document.createElement = (name: string, options?: ElementCreationOptions): HTMLElement =>
    name === 'style' ? sheetElement(create) : create(name, options);
  const set = Element.prototype.setAttribute;
  Element.prototype.setAttribute = function (this: Element, name: string, value: string): void {
    if (name === 'style' && this instanceof HTMLElement) this.style.cssText = value;
    else set.call(this, name, value);
  };
}
