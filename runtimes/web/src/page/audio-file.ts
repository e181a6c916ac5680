/** A sound: from a file, or from the microphone, as so many numbers of -1 to 1 at a rate. */

import { type Port, sizeOf } from "../description";
import { messageOf } from "../errors";
import { h } from "./dom";

/** Samples a second that models are usually trained with; the file of a model does not say. */
const RATES = [8000, 16000, 22050, 44100, 48000];

/** A chooser of sounds, which gives as many numbers as the input has: what is longer is cut, what is shorter ends in zeros. */
export function audioFile(port: Port, take: (numbers: number[]) => void): HTMLElement {
  const length = sizeOf(port);
  const message = h("span", { className: "hint", role: "status" });
  const rate = h("select", { id: `rate-${port.name}` }, ...RATES.map((value) => h("option", { value: String(value), selected: value === 16000 }, `${value} Hz`)));
  const decoded = async (raw: ArrayBuffer): Promise<void> => {
    // Decoding brings it to the context's rate.
    const sound = await new OfflineAudioContext(1, 1, Number(rate.value)).decodeAudioData(raw);
    const channels = Array.from({ length: sound.numberOfChannels }, (_, index) => sound.getChannelData(index));
    take(Array.from({ length: Math.min(length, sound.length) }, (_, at) => channels.reduce((sum, one) => sum + (one[at] ?? 0), 0) / channels.length));
    message.textContent = `${sound.duration.toFixed(2)} s, of which ${Math.min(sound.duration, length / Number(rate.value)).toFixed(2)} s are read.`;
  };
  const tried = async (name: string, raw: Promise<ArrayBuffer>): Promise<void> => {
    try {
      await decoded(await raw);
    } catch (error) {
      message.textContent = `${name} is no sound that this browser reads (${messageOf(error)}).`;
    }
  };
  const file = h("input", {
    type: "file",
    accept: "audio/*",
    id: `sound-${port.name}`,
    onchange: () => {
      const [chosen] = file.files ?? [];
      if (chosen) {
        void tried(chosen.name, chosen.arrayBuffer());
      }
    },
  });
  const record = h("button", { type: "button", onclick: () => void listen() }, "Record");
  const listen = async (): Promise<void> => {
    let stream: MediaStream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    } catch {
      message.textContent = "There is no microphone, or this page may not use it.";
      return;
    }
    record.disabled = true;
    message.textContent = "Recording …";
    const recorder = new MediaRecorder(stream);
    const parts: Blob[] = [];
    recorder.ondataavailable = ({ data }) => parts.push(data);
    recorder.onstop = () => {
      for (const track of stream.getTracks()) {
        track.stop();
      }
      record.disabled = false;
      void tried("The recording", new Blob(parts).arrayBuffer());
    };
    recorder.start();
    setTimeout(() => recorder.stop(), (1000 * length) / Number(rate.value));
  };
  return h(
    "div",
    { className: "sound" },
    h("label", { htmlFor: file.id }, "or a sound ", file),
    h("label", { htmlFor: rate.id }, "at ", rate),
    "mediaDevices" in navigator && "MediaRecorder" in globalThis && record,
    message,
  );
}
