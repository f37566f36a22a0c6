addEventListener("click", (event) => {
  const link = event.target.closest("a[target=_top]");
  if (!link || parent === window) return;
  event.preventDefault();
  const twin = parent.document.createElement("a");
  twin.href = link.href;
  parent.document.body.append(twin);
  twin.click();
  twin.remove();
});
