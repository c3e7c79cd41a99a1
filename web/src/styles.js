// xterm.js makes <style> elements and style attributes while it runs, and a strict Content-Security-Policy forbids both.
// What scripts do to style sheets and to `element.style` it allows (CSP 3, 8.4), so the same styles take that way.

function sheetElement(element) {
  const sheet = new CSSStyleSheet();
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  element.hidden = true;
  Object.defineProperty(element, "textContent", { set: (text) => sheet.replaceSync(text) });
  element.remove = () => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((other) => other !== sheet);
    Element.prototype.remove.call(element);
  };
  return element;
}

export function keepStylesOutOfLine() {
  const create = document.createElement.bind(document);
  document.createElement = (name, options) =>
    name === "style" ? sheetElement(create("span")) : create(name, options);
  const set = HTMLElement.prototype.setAttribute;
  HTMLElement.prototype.setAttribute = function (name, value) {
    if (name === "style") this.style.cssText = value;
    else set.call(this, name, value);
  };
}
