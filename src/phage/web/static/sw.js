// What keeps the installed dashboard from showing the browser's own error page. Pages are never kept.
"use strict";
const NAME = "phage-1";
const KEPT = ["/offline", "/static/phage.css", "/static/icon.svg"];
self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(NAME).then((cache) => cache.addAll(KEPT)).then(() => self.skipWaiting()));
});
self.addEventListener("activate", (event) => {
  event.waitUntil(caches.keys().then((names) => Promise.all(names.filter((name) => name !== NAME).map((name) => caches.delete(name))))
    .then(() => self.clients.claim()));
});
self.addEventListener("fetch", (event) => {
  if (event.request.mode === "navigate") event.respondWith(fetch(event.request).catch(() => caches.match("/offline")));
});
self.addEventListener("push", (event) => {
  let told = {};
  try { told = event.data.json(); } catch { /* Shown without words: a push must show something. */ }
  const options = { body: told.body || "", tag: told.tag, icon: "/static/icon-192.png", data: told.url || "/" };
  event.waitUntil(self.registration.showNotification(told.title || "phage", options));
});
self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(self.clients.matchAll({ type: "window" }).then((windows) => windows.length
    ? windows[0].navigate(event.notification.data).then((window) => window?.focus())
    : self.clients.openWindow(event.notification.data)));
});
