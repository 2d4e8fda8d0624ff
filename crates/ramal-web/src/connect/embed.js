// Puts Ramal's pairing page into your own: see docs/connect.md.
(() => {
  "use strict";
  const home = document.currentScript ? new URL(document.currentScript.src).origin : location.origin;
  const open = new Set();

  function frame(opts, close) {
    if (!opts || typeof opts.token !== "string" || !opts.token) throw new TypeError("token is missing");
    const base = (opts.baseUrl || home).replace(/\/+$/, "");
    const origin = new URL(base, location.href).origin;
    const iframe = document.createElement("iframe");
    iframe.src = base + "/connect/" + encodeURIComponent(opts.token) +
      "?parentOrigin=" + encodeURIComponent(location.origin);
    iframe.title = opts.title || "WhatsApp";
    iframe.allow = "clipboard-write";
    iframe.setAttribute("sandbox",
      "allow-scripts allow-same-origin allow-forms allow-popups allow-popups-to-escape-sandbox");
    iframe.style.cssText = "display:block;width:100%;height:560px;border:0;border-radius:20px;background:transparent;color-scheme:normal";
    const call = (name, payload) => { if (typeof opts[name] === "function") opts[name](payload); };
    const hear = (event) => {
      if (event.origin !== origin || event.source !== iframe.contentWindow) return;
      const said = event.data;
      if (!said || said.source !== "pilot-status-embed" || said.v !== 1) return;
      const payload = said.payload || {};
      if (said.type === "connect:paired") call("onPaired", payload);
      if (said.type === "connect:error") call("onError", payload);
      if (said.type === "connect:expired") call("onExpired");
      // Escape was pressed in the page, which keeps its keys to itself.
      if (said.type === "connect:close" && close) handle.destroy();
      if (said.type === "resize" && payload.height > 0) iframe.style.height = Math.min(payload.height, 4000) + "px";
    };
    addEventListener("message", hear);
    const handle = {
      iframe,
      destroy() {
        if (!open.delete(handle)) return;
        removeEventListener("message", hear);
        iframe.remove();
        if (close) close();
      },
    };
    open.add(handle);
    return handle;
  }

  const connect = {
    /** Inline, as the last child of what `selector` finds. */
    mount(selector, opts) {
      const place = typeof selector === "string" ? document.querySelector(selector) : selector;
      if (!place) throw new Error("nothing matches " + selector);
      const handle = frame(opts);
      place.append(handle.iframe);
      return handle;
    },

    /** In a dialog, which keeps the focus; Escape or the button closes it. */
    open(opts) {
      const dialog = document.createElement("dialog");
      const before = document.activeElement;
      const handle = frame(opts, () => {
        dialog.remove();
        if (before && before.focus) before.focus();
      });
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = "×";
      button.setAttribute("aria-label", opts.closeLabel || "Close");
      button.style.cssText = "position:absolute;top:8px;right:8px;width:44px;height:44px;border:0;border-radius:50%;background:rgb(127 127 127/.15);color:inherit;font:24px/1 sans-serif;cursor:pointer;z-index:1";
      dialog.setAttribute("aria-label", handle.iframe.title);
      dialog.style.cssText = "position:fixed;inset:0;margin:auto;width:min(760px,calc(100vw - 16px));max-width:none;height:fit-content;max-height:calc(100vh - 16px);padding:0;border:0;border-radius:20px;overflow:auto;background:Canvas;color:CanvasText;color-scheme:light dark;box-shadow:0 0 0 100vmax rgb(0 0 0/.5)";
      button.addEventListener("click", () => handle.destroy());
      dialog.addEventListener("close", () => handle.destroy());
      dialog.append(button, handle.iframe);
      document.body.append(dialog);
      dialog.showModal();
      return handle;
    },
  };

  const sdk = Object.freeze({
    init() { return sdk; },
    destroy() { [...open].forEach((handle) => handle.destroy()); },
    connect: Object.freeze(connect),
  });
  window.Ramal = sdk;
  window.PilotStatus = window.PilotStatus || sdk;
})();
