// Small comforts; every form works without them.
export function startForms(root) {
  // A choice that is enough by itself sends its form.
  for (const field of root.querySelectorAll("[data-sends]")) {
    field.addEventListener("change", () => field.form.requestSubmit());
  }
  // Times that were typed are in the viewer's zone; the server wants UTC.
  for (const field of root.querySelectorAll("input[type='datetime-local'][data-utc]")) {
    const at = field.dataset.utc ? new Date(field.dataset.utc) : null;
    if (at) {
      const local = new Date(at.getTime() - at.getTimezoneOffset() * 60000);
      field.value = local.toISOString().slice(0, 16);
    }
    field.form.addEventListener("formdata", (event) => {
      if (field.value) event.formData.set(field.name, new Date(field.value).toISOString());
    });
  }
  // Empty fields would only make the address longer.
  for (const form of root.querySelectorAll("form.filters")) {
    form.addEventListener("formdata", (event) => {
      for (const [name, value] of [...event.formData]) if (!value) event.formData.delete(name);
    });
  }
  // A long action goes on by itself.
  root.querySelector("form[data-continues]")?.requestSubmit();
}
