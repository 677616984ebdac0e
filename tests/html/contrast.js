(() => {
  const parse = (color) => {
    const numbers = color.match(/[\d.]+/g).map(Number);
    return { rgb: numbers.slice(0, 3), alpha: numbers[3] === undefined ? 1 : numbers[3] };
  };
  const over = (front, back) => front.rgb.map((part, index) => part * front.alpha + back[index] * (1 - front.alpha));
  const behind = (element) => {
    const layers = [];
    for (let e = element; e; e = e.parentElement) layers.unshift(parse(getComputedStyle(e).backgroundColor));
    return layers.reduce((back, layer) => over(layer, back), [255, 255, 255]);
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.map((part) => part / 255).map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a, b) => {
    const [more, less] = [light(a), light(b)].sort((x, y) => y - x);
    return (more + 0.05) / (less + 0.05);
  };
  const styles = new Map();
  const note = (element, color, what) => {
    const back = behind(element);
    const value = contrast(over(parse(color), back), back);
    const key = `${color} on ${back.map(Math.round)}, ${element.tagName}.${element.className}`;
    if (!styles.has(key)) styles.set(key, [Math.round(value * 100) / 100, key, what]);
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || !element.checkVisibility() || element.closest("script, noscript")) continue;
    note(element, getComputedStyle(element).color, node.data.trim().slice(0, 40));
    const before = getComputedStyle(element, "::before");
    if (before.content !== "none") note(element, before.color, `before ${node.data.trim().slice(0, 40)}`);
  }
  for (const input of document.querySelectorAll("input")) note(input, getComputedStyle(input, "::placeholder").color, "placeholder");
  return [...styles.values()].sort((a, b) => a[0] - b[0]);
})()
