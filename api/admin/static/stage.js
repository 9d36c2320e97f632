// The picture: where the line is, how large it is shown, and which part of it.
const ZOOM_MAX = 16;
const GRIP_PX = 24;
const STEP_PX = 60;
const clamp = (value, low, high) => Math.max(low, Math.min(high, value));

export class Stage extends EventTarget {
  constructor(element) {
    super();
    this.element = element;
    this.split = 50;
    this.zoom = 1;
    this.x = 0;
    this.y = 0;
    this.pointers = new Map();
    this.isLine = false;
    element.addEventListener("pointerdown", (event) => this.down(event));
    element.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) element.addEventListener(name, (event) => this.up(event));
    element.addEventListener("dblclick", (event) => this.zoomTo(this.zoom > 1 ? 1 : 4, event));
    // Only with Ctrl, or by pinching a touchpad: the wheel alone moves the page.
    element.addEventListener("wheel", (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      this.zoomTo(this.zoom * Math.exp(-event.deltaY / 200), event);
    }, { passive: false });
    new ResizeObserver(() => this.show()).observe(element);
  }

  setSplit(percent) {
    this.split = clamp(percent, 0, 100);
    this.show();
  }

  zoomTo(zoom, point) {
    const box = this.element.getBoundingClientRect();
    const [x, y] = point ? [point.clientX - box.left, point.clientY - box.top] : [box.width / 2, box.height / 2];
    const next = clamp(zoom, 1, ZOOM_MAX);
    // What is under the pointer stays there.
    this.x = x - ((x - this.x) * next) / this.zoom;
    this.y = y - ((y - this.y) * next) / this.zoom;
    this.zoom = next;
    this.show();
  }

  pan(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.show();
  }

  nudge(dx, dy) { this.pan(dx * STEP_PX, dy * STEP_PX); }

  show() {
    const { width, height } = this.element.getBoundingClientRect();
    this.x = clamp(this.x, width * (1 - this.zoom), 0);
    this.y = clamp(this.y, height * (1 - this.zoom), 0);
    const { style, classList } = this.element;
    style.setProperty("--split", `${this.split}%`);
    style.setProperty("--zoom", this.zoom);
    style.setProperty("--pan-x", `${this.x}px`);
    style.setProperty("--pan-y", `${this.y}px`);
    classList.toggle("is-enlarged", this.zoom > 1);
    // From here on one looks at pixels.
    classList.toggle("is-sharp", this.zoom >= 4);
    this.dispatchEvent(new Event("change"));
  }

  down(event) {
    if (event.button !== 0) return;
    const box = this.element.getBoundingClientRect();
    const distance = Math.abs(event.clientX - box.left - (box.width * this.split) / 100);
    this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    this.isLine = this.pointers.size === 1 && (this.zoom === 1 || distance < GRIP_PX);
    this.element.setPointerCapture(event.pointerId);
    this.element.classList.toggle("is-moving", !this.isLine);
    if (this.isLine) this.setSplit(((event.clientX - box.left) / box.width) * 100);
  }

  move(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const box = this.element.getBoundingClientRect();
    const after = { x: event.clientX, y: event.clientY };
    if (this.pointers.size === 2) {
      const [other] = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, point]) => point);
      const ratio = Math.hypot(after.x - other.x, after.y - other.y) / Math.max(1, Math.hypot(before.x - other.x, before.y - other.y));
      this.zoomTo(this.zoom * ratio, { clientX: (after.x + other.x) / 2, clientY: (after.y + other.y) / 2 });
    } else if (this.isLine) this.setSplit(((after.x - box.left) / box.width) * 100);
    else this.pan(after.x - before.x, after.y - before.y);
    this.pointers.set(event.pointerId, after);
  }

  up(event) {
    this.pointers.delete(event.pointerId);
    this.element.classList.remove("is-moving");
    if (this.pointers.size === 0) this.isLine = false;
  }
}
