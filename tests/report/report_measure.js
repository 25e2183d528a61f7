// What test_report_browser.py measures in an open page; `width` is that of the window, which a phone's browser would stretch.
(width) => {
  document.querySelectorAll("details").forEach((part) => { part.open = true; });
  const all = [...document.body.querySelectorAll("*")];
  const box = (element) => element.getBoundingClientRect();
  const said = (element) => {
    const name = element.id || element.getAttribute("class") || "";
    return `${element.tagName} ${name} ${element.textContent.trim().slice(0, 40)}`;
  };
  const hasText = (element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());

  const wide = all.filter((element) => !element.closest(".scroll, .skip, .hidden") && box(element).width > 0
    && (box(element).right > width + 0.5 || box(element).left < -0.5));

  // Where the first and the last Arabic or Hebrew letter of the first line stand: from the right, the first is the righter one.
  const place = (node, at) => {
    const range = new Range();
    range.setStart(node, at);
    range.setEnd(node, at + 1);
    return range.getBoundingClientRect();
  };
  const runs = (node) => {
    const letters = [...node.data].flatMap((letter, at) => (/[\u0590-\u08ff]/.test(letter) ? [place(node, at)] : []));
    const line = letters.filter((one) => one.width > 0 && Math.abs(one.top - letters[0].top) < 2);
    return line.length < 2 || line[0].left >= line[line.length - 1].left;
  };
  const rightToLeft = all
    .filter((element) => element.dir === "rtl" && element.firstChild?.nodeType === 3 && element.textContent.trim().length > 2)
    .map((element) => ({
      text: element.textContent,
      lang: element.lang,
      direction: getComputedStyle(element).direction,
      runs: runs(element.firstChild),
    }));

  // Contrast of text as WCAG 2.2 defines it (relative luminance of sRGB).
  const channels = (colour) => colour.match(/[\d.]+/g).map(Number);
  const light = (colour) => channels(colour).slice(0, 3)
    .map((value) => value / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
    .reduce((sum, value, at) => sum + value * [0.2126, 0.7152, 0.0722][at], 0);
  const ground = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = getComputedStyle(one).backgroundColor;
      if ((channels(colour)[3] ?? 1) === 1) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const contrast = (element) => {
    const [high, low] = [getComputedStyle(element).color, ground(element)].map(light).sort((a, b) => b - a);
    return (high + 0.05) / (low + 0.05);
  };
  const pale = all.filter((element) => !element.closest("svg, .skip, .hidden") && box(element).width > 1 && hasText(element)
    && contrast(element) < 4.5);

  const skip = document.querySelector(".skip");
  skip?.focus();
  const levels = [...document.querySelectorAll("h1, h2, h3, h4")].map((heading) => Number(heading.tagName[1]));
  const names = [...document.querySelectorAll("[id]")].map((element) => element.id);
  return {
    across: document.documentElement.scrollWidth,
    wide: wide.slice(0, 5).map(said),
    rightToLeft,
    pale: pale.slice(0, 5).map((element) => `${said(element)} ${contrast(element).toFixed(2)}`),
    figures: [...document.querySelectorAll("figure")].map((figure) => ({
      id: figure.id,
      rows: figure.querySelectorAll("table tbody tr").length,
      title: document.getElementById(figure.getAttribute("aria-labelledby"))?.textContent ?? "",
    })),
    unreachable: [...document.querySelectorAll(".scroll")].filter((one) => one.tabIndex !== 0 || !one.ariaLabel).map(said),
    skips: skip !== null && document.activeElement === skip && box(skip).left >= 0,
    jumps: levels.filter((level, at) => at > 0 && level > levels[at - 1] + 1).length,
    twice: names.filter((name, at) => names.indexOf(name) !== at),
    dead: [...document.querySelectorAll('a[href^="#"]')].map((link) => link.hash.slice(1)).filter((name) => !names.includes(name)),
    loaded: performance.getEntriesByType("resource").length,
  };
}
