/** An image: dropped, chosen, taken by the camera, or drawn. */

import type { Port, Preprocessing } from "../description";
import { h } from "./dom";
import type { InputPanel, OnChange } from "./panel";
import { type ImageShape, SCALINGS, type Scaling, fromPixels } from "./preprocess";
import { SketchPad } from "./sketch";

export class ImageInput implements InputPanel {
  readonly element: HTMLElement;
  /** The image at the model's size. */
  readonly canvas: HTMLCanvasElement;
  private readonly context: CanvasRenderingContext2D;
  private readonly message = h("p", { className: "hint", role: "status" });
  private readonly sketch: SketchPad;
  private given: Float32Array | null = null;
  private camera: MediaStream | null = null;
  private how: Omit<Preprocessing, "input" | "layout">;

  constructor(
    readonly port: Port,
    private readonly shape: ImageShape,
    preprocessing: Preprocessing | null,
    private readonly onChange: OnChange,
  ) {
    this.how = preprocessing ?? SCALINGS.unit;
    this.canvas = h("canvas", { width: shape.width, height: shape.height, className: "preview", role: "img", aria: { label: "The image as the model sees it" } });
    this.context = this.canvas.getContext("2d", { willReadFrequently: true }) as CanvasRenderingContext2D;
    this.context.fillRect(0, 0, shape.width, shape.height);
    this.sketch = new SketchPad((image) => this.draw(image, image.width, image.height));
    this.element = h("div", { className: "image-input" }, this.dropZone(), h("div", { className: "column" }, this.canvas, this.scaling(), this.message), this.sketch.element);
  }

  value(): Float32Array {
    const { width, height } = this.shape;
    return this.given ?? fromPixels(this.context.getImageData(0, 0, width, height).data, this.shape, this.how);
  }

  show(value: ArrayLike<number | bigint>): void {
    this.given = Float32Array.from(value as ArrayLike<number>, Number);
    const { width, height, channels, layout } = this.shape;
    const low = this.given.reduce((a, b) => Math.min(a, b), Infinity);
    const high = this.given.reduce((a, b) => Math.max(a, b), -Infinity);
    const image = this.context.createImageData(width, height);
    for (let pixel = 0; pixel < width * height; pixel++) {
      for (let channel = 0; channel < 3; channel++) {
        const which = Math.min(channel, channels - 1);
        const index = layout === "channels_last" ? pixel * channels + which : which * width * height + pixel;
        image.data[4 * pixel + channel] = (255 * ((this.given[index] ?? 0) - low)) / (high - low || 1);
      }
      image.data[4 * pixel + 3] = 255;
    }
    this.context.putImageData(image, 0, 0);
  }

  private dropZone(): HTMLElement {
    const file = h("input", { type: "file", accept: "image/*", id: `file-${this.port.name}`, onchange: () => void this.open(file.files?.[0]) });
    const camera = h("button", { type: "button", onclick: () => void this.toggleCamera(camera) }, "Use the camera");
    const zone = h("div", { className: "drop" }, h("label", { htmlFor: file.id }, "Drop an image here, or choose one"), file, "mediaDevices" in navigator && camera);
    zone.addEventListener("dragover", (event) => {
      event.preventDefault();
      zone.classList.add("over");
    });
    zone.addEventListener("dragleave", () => zone.classList.remove("over"));
    zone.addEventListener("drop", (event) => {
      event.preventDefault();
      zone.classList.remove("over");
      void this.open(event.dataTransfer?.files[0]);
    });
    return zone;
  }

  /** Which numbers the model was trained with: a file rarely says. */
  private scaling(): HTMLElement {
    const select = h("select", {
      id: `scaling-${this.port.name}`,
      onchange: () => {
        this.how = SCALINGS[select.value as Scaling];
        this.given = null;
        this.onChange();
      },
    });
    for (const [name, { title, mean, scale }] of Object.entries(SCALINGS)) {
      const selected = mean[0] === this.how.mean[0] && scale[0] === this.how.scale[0];
      select.append(h("option", { value: name, selected }, title));
    }
    return h("label", { htmlFor: select.id }, "Pixels become ", select);
  }

  private async open(file: File | undefined): Promise<void> {
    if (!file) {
      return;
    }
    try {
      const image = await createImageBitmap(file);
      this.draw(image, image.width, image.height);
      image.close();
      this.message.textContent = "";
    } catch {
      this.message.textContent = `${file.name} is no image that this browser reads.`;
    }
  }

  /** Draw the middle square (or the middle of the model's proportions), at the model's size. */
  private draw(image: CanvasImageSource, imageWidth: number, imageHeight: number): void {
    const { width, height } = this.shape;
    const zoom = Math.max(width / imageWidth, height / imageHeight);
    const [w, h_] = [imageWidth * zoom, imageHeight * zoom];
    this.context.imageSmoothingQuality = "high";
    this.context.drawImage(image, (width - w) / 2, (height - h_) / 2, w, h_);
    this.given = null;
    this.onChange();
  }

  private async toggleCamera(button: HTMLButtonElement): Promise<void> {
    if (this.camera) {
      for (const track of this.camera.getTracks()) {
        track.stop();
      }
      this.camera = null;
      button.textContent = "Use the camera";
      return;
    }
    try {
      this.camera = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    } catch {
      this.message.textContent = "There is no camera, or this page may not use it.";
      return;
    }
    button.textContent = "Stop the camera";
    const video = h("video", { srcObject: this.camera, muted: true, playsInline: true });
    await video.play();
    const frame = (): void => {
      if (this.camera) {
        this.draw(video, video.videoWidth, video.videoHeight);
        setTimeout(frame, 150);
      }
    };
    frame();
  }
}
