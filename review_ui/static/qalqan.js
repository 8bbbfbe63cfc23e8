// Keys, quotes, dialogs and the countdown. Everything works without it; the server checks every act again.
// Keys go by physical place (event.code), so they work in the Russian and Kazakh layouts.
(() => {
  'use strict';
  const one = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const press = selector => { const button = one(selector); if (button && !button.disabled) button.click(); return !!button; };
  const show = id => { const dialog = document.getElementById(id); if (dialog && !dialog.open) dialog.showModal(); return !!dialog; };

  // Theme: kept in a cookie, so that the server draws the page right from the start.
  function switchTheme() {
    const root = document.documentElement;
    const isDark = matchMedia('(prefers-color-scheme: dark)').matches;
    root.dataset.theme = (root.dataset.theme || (isDark ? 'dark' : 'light')) === 'dark' ? 'light' : 'dark';
    document.cookie = `theme=${root.dataset.theme};path=/;max-age=31536000;samesite=lax`;
  }

  // Queue: a cursor over the rows, and the sum behind a number.
  const rows = () => all('[data-row]');
  const cursor = () => rows().findIndex(row => row.getAttribute('aria-current') === 'true');
  function moveTo(index) {
    const list = rows();
    if (!list[index]) return;
    list[cursor()]?.removeAttribute('aria-current');
    list[index].setAttribute('aria-current', 'true');
    one('.what a', list[index])?.focus({ preventScroll: true });
    list[index].scrollIntoView({ block: 'nearest' });
  }
  function flip(button) {
    const sum = document.getElementById(button.getAttribute('aria-controls'));
    sum.hidden = !sum.hidden;
    button.setAttribute('aria-expanded', String(!sum.hidden));
  }

  // Quotes: the selected words, in characters of the document's text (code points, as the server counts).
  function offsetOf(node, unit) {
    const piece = (node.nodeType === Node.TEXT_NODE ? node.parentElement : node).closest('[data-at]');
    if (!piece) return null;
    const before = document.createRange();
    before.selectNodeContents(piece);
    before.setEnd(node, unit);
    return Number(piece.dataset.at) + [...before.toString()].length;
  }
  function selectedQuote() {
    const post = one('.post'), selection = getSelection();
    if (!post || !selection.rangeCount || selection.isCollapsed) return null;
    const range = selection.getRangeAt(0);
    if (!post.contains(range.startContainer) || !post.contains(range.endContainer)) return null;
    const start = offsetOf(range.startContainer, range.startOffset), end = offsetOf(range.endContainer, range.endOffset);
    return start === null || end === null || start >= end ? null : { start, end, material: post.dataset.material };
  }
  let quote = null;
  function startQuote() {
    quote = selectedQuote();
    const ticked = all('.codes [name=codes]:checked').filter(box => box.offsetParent !== null || box.closest('details'));
    const choices = one('#quote-codes');
    if (!choices) return false;
    one('#quote-none').hidden = !!quote;
    one('#quote-untick').hidden = !quote || ticked.length > 0;
    choices.replaceChildren(...(quote ? ticked : []).map(box => {
      const button = document.createElement('button');
      button.type = 'button'; button.className = 'btn'; button.dataset.quoteCode = box.value; button.textContent = box.value === 'contact' ? box.closest('label').title : box.value;
      return button;
    }));
    if (quote && ticked.length === 1) { keepQuote(ticked[0].value); return true; }
    return show('quote');
  }
  function keepQuote(code) {
    if (!quote) return;
    const field = document.createElement('input');
    field.type = 'hidden'; field.name = 'quote'; field.value = [quote.material, quote.start, quote.end, code.toUpperCase()].join(':');
    one('#quotes').append(field);
    quote = null;
    getSelection().removeAllRanges();
    one('#quote')?.close();
    changed('quote');
  }
  function changed(what) {
    const field = one('#changed');
    if (field) field.value = what;
    one('#decision')?.dispatchEvent(new Event('recheck', { bubbles: true }));
  }

  // Quick entry: "fp15 02 01" ticks FP15, FP02, FP01; a code that is ticked already is unticked.
  function quickCodes(field) {
    let prefix = one('#decision').dataset.prefix || 'FP';
    for (const word of field.value.toUpperCase().split(/[\s,;]+/).filter(Boolean)) {
      prefix = (word.match(/^[A-Z]+/) || [prefix])[0];
      const box = one(`.codes [value="${CSS.escape(prefix + word.replace(/^[A-Z]+/, '').padStart(2, '0'))}"]`);
      if (!box) continue;
      box.checked = !box.checked;
      box.closest('details')?.setAttribute('open', '');
    }
    field.value = '';
    changed('codes');
  }

  // Lease of the case.
  function tick() {
    for (const clock of all('[data-until]')) {
      const left = Math.max(0, Math.round((Date.parse(clock.dataset.until) - Date.now()) / 1000));
      clock.textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, '0')}`;
      if (!left) one('#lease-over')?.removeAttribute('hidden');
    }
    for (const toast of all('.toast[data-ends]')) if (Date.parse(toast.dataset.ends) < Date.now()) toast.remove();
  }
  setInterval(tick, 1000);

  document.addEventListener('click', event => {
    const to = event.target.closest('[data-theme-switch], .harm, [data-open], [data-quote-code], [data-unquote], [data-key-mark], [data-key-quote]');
    for (const menu of all('.menu[open]')) if (!menu.contains(event.target)) menu.removeAttribute('open');
    if (!to) return;
    if (to.matches('[data-theme-switch]')) switchTheme();
    else if (to.matches('.harm')) flip(to);
    else if (to.matches('[data-open]')) show(to.dataset.open);
    else if (to.matches('[data-quote-code]')) keepQuote(to.dataset.quoteCode);
    else if (to.matches('[data-unquote]')) { to.closest('li').remove(); changed('quote'); }
    else if (to.matches('[data-key-quote]')) startQuote();
    else if (to.matches('[data-key-mark]')) one('.post')?.toggleAttribute('data-plain');
  });
  // A press on the button must not lose the selected words.
  document.addEventListener('mousedown', event => { if (event.target.closest('[data-key-quote]')) event.preventDefault(); });
  document.addEventListener('change', event => {
    if (event.target.matches('#single-keys')) localStorage.setItem('single-keys', event.target.checked ? 'on' : 'off');
    if (event.target.matches('#decision [name=label]')) one('#decision').dataset.prefix = { financial_pyramid: 'FP', drug_shop: 'DS', drug_graffiti: 'DG' }[event.target.value];
    if (event.target.matches('#decision [name]')) { const field = one('#changed'); if (field) field.value = event.target.name; }
  }, true);
  for (const kind of ['htmx:sendError', 'htmx:responseError', 'htmx:timeout'])
    document.addEventListener(kind, () => one('[data-lost]')?.removeAttribute('hidden'));
  document.addEventListener('htmx:afterRequest', event => { if (event.detail.successful) one('[data-lost]')?.setAttribute('hidden', ''); });

  const letters = {
    KeyX: () => show('hidden-all'), KeyP: () => press('[data-key=P]'), KeyF: () => { const box = one('.facets input'); box?.focus(); return !!box; },
    KeyJ: () => { moveTo(cursor() + 1); return rows().length; }, KeyK: () => { moveTo(cursor() - 1); return rows().length; },
    KeyR: () => press('[data-key=R]'), KeyE: () => press('[data-key=E]'), KeyH: () => press('[data-key=H]'), KeyS: () => press('[data-key=S]'),
    KeyU: () => press('[data-key=U]'), KeyT: startQuote, KeyM: () => { const post = one('.post'); post?.toggleAttribute('data-plain'); return !!post; },
    KeyC: () => { const field = one('#quick'); field?.select(); return !!field; }, KeyN: () => { const field = one('#reason'); field?.focus(); return !!field; },
    KeyW: () => { const link = one('#evidence a'); link?.focus(); return !!link; }, KeyG: () => { const part = one('#related'); part?.focus(); return !!part; },
    BracketLeft: () => press('[data-key="["]'), BracketRight: () => press('[data-key="]"]'),
  };
  const turnedOn = () => localStorage.getItem('single-keys') !== 'off';

  document.addEventListener('keydown', event => {
    const field = event.target;
    if (field.id === 'quick' && event.code === 'Enter') { event.preventDefault(); quickCodes(field); return; }
    if ((event.ctrlKey || event.metaKey) && event.code === 'Enter') { event.preventDefault(); press('#confirm'); return; }
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
    const isText = field.matches('textarea, select, input:not([type=radio], [type=checkbox])') || field.isContentEditable;
    if (isText || one('dialog[open]')) return;
    if (event.key === '?' || (event.code === 'Slash' && event.shiftKey)) { event.preventDefault(); show('help'); return; }
    if (event.code === 'ArrowDown' && rows().length && !field.matches('input')) { event.preventDefault(); letters.KeyJ(); return; }
    if (event.code === 'ArrowUp' && rows().length && !field.matches('input')) { event.preventDefault(); letters.KeyK(); return; }
    if (event.code === 'Enter' && rows().length && field === document.body) { event.preventDefault(); one('.what a', rows()[cursor()])?.click(); return; }
    if (event.code === 'Space' && one('.harm') && !field.matches('button, summary, input')) {
      event.preventDefault();
      const button = rows()[cursor()] && one('.harm', rows()[cursor()]);
      if (button) flip(button);
      return;
    }
    if (!turnedOn() || event.shiftKey) return;
    if (event.code === 'Slash') { const find = one('#find'); if (find) { event.preventDefault(); find.focus(); } return; }
    const digit = event.code.match(/^Digit([1-8])$/);
    if (digit && one('.views')) { const view = all('.views a')[digit[1] - 1]; if (view) { event.preventDefault(); view.click(); } return; }
    if (digit && one('#decision')) {
      const question = all('.q')[digit[1] - 1];
      if (question) { event.preventDefault(); (one(':checked', question) || one('input:not([type=hidden], .mono), textarea', question))?.focus(); }
      return;
    }
    if (letters[event.code]?.()) event.preventDefault();
  });

  document.addEventListener('DOMContentLoaded', () => {
    const box = one('#single-keys');
    if (box) box.checked = turnedOn();
    tick();
  });
})();
