// Before the first paint: no flash of the other theme.
try { const theme = localStorage.getItem("theme"); if (theme) document.documentElement.dataset.theme = theme; } catch { /* Private window. */ }
