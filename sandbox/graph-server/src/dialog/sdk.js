// A stand-in for Meta's JavaScript SDK: FB.init, and FB.login as Embedded Signup uses it.
(() => {
  'use strict';
  const base = new URL(document.currentScript.src).origin;
  let options = null;

  const login = (callback, wish) => {
    if (!options) throw new Error('FB.login() called before FB.init()');
    const channel = String(Math.random()).slice(2);
    const asked = new URLSearchParams({
      app_id: options.appId,
      config_id: wish.config_id || '',
      response_type: wish.response_type || '',
      extras: JSON.stringify(wish.extras || {}),
      origin: location.origin,
      channel,
    });
    const popup = window.open(`${base}/dialog?${asked}`, '_blank', 'popup,width=600,height=700');
    let watch = null;
    const end = (response) => {
      window.removeEventListener('message', listen);
      clearInterval(watch);
      callback(response);
    };
    const listen = (event) => {
      if (event.origin !== base || !event.data || event.data.channel !== channel) return;
      end(event.data.response);
    };
    window.addEventListener('message', listen);
    const nothing = { authResponse: null, status: 'unknown' };
    if (!popup) {
      end(nothing);
      return;
    }
    // The last message may still be on its way when the window is seen closed.
    watch = setInterval(() => {
      if (popup.closed) {
        clearInterval(watch);
        setTimeout(() => end(nothing), 200);
      }
    }, 100);
  };

  const once = (callback) => {
    let called = false;
    return (response) => {
      if (!called) {
        called = true;
        callback(response);
      }
    };
  };

  window.FB = {
    init: (given) => {
      options = given;
    },
    login: (callback, wish) => login(once(callback), wish),
  };
  if (typeof window.fbAsyncInit === 'function') window.fbAsyncInit();
})();
