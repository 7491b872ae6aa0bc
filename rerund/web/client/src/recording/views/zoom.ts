/** Where a drawing lies on its canvas: the wheel zooms, dragging moves, a double click shows all again. */

export interface Place {
  scale: number; // canvas pixels of one unit of the drawing
  left: number; // of the drawing's origin
  top: number;
}

export interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

/** As large as fits. */
export function fitted(box: Box, width: number, height: number): Place {
  const [w, h] = [box.right - box.left || 1, box.bottom - box.top || 1];
  const scale = Math.min(width / w, height / h);
  return { scale, left: (width - w * scale) / 2 - box.left * scale, top: (height - h * scale) / 2 - box.top * scale };
}

export class Zoom {
  chosen: Place | null = null; // null: as large as fits
  shown: Place = { scale: 1, left: 0, top: 0 };

  /** `repaint` is called when the place has changed, or the canvas its size. Returns how to end it. */
  attach(canvas: HTMLCanvasElement, repaint: () => void): () => void {
    const wheel = (event: WheelEvent) => {
      event.preventDefault();
      const { scale, left, top } = this.shown;
      const factor = Math.exp(-event.deltaY * 0.0015);
      const [x, y] = [event.offsetX * devicePixelRatio, event.offsetY * devicePixelRatio];
      this.chosen = { scale: scale * factor, left: x - (x - left) * factor, top: y - (y - top) * factor };
      repaint();
    };
    const drag = (event: PointerEvent) => {
      if (event.buttons !== 1) return;
      const { scale, left, top } = this.shown;
      this.chosen = { scale, left: left + event.movementX * devicePixelRatio, top: top + event.movementY * devicePixelRatio };
      repaint();
    };
    const fit = () => {
      this.chosen = null;
      repaint();
    };
    const resized = new ResizeObserver(repaint);
    resized.observe(canvas);
    canvas.addEventListener("wheel", wheel, { passive: false });
    canvas.addEventListener("pointermove", drag);
    canvas.addEventListener("dblclick", fit);
    return () => {
      resized.disconnect();
      canvas.removeEventListener("wheel", wheel);
      canvas.removeEventListener("pointermove", drag);
      canvas.removeEventListener("dblclick", fit);
    };
  }

  /** In units of the drawing. */
  placeOf(event: MouseEvent): [x: number, y: number] {
    const { scale, left, top } = this.shown;
    return [(event.offsetX * devicePixelRatio - left) / scale, (event.offsetY * devicePixelRatio - top) / scale];
  }
}

/** Make the canvas as large as it is shown; its context, cleared, and its size. */
export function cleared(canvas: HTMLCanvasElement): { context: CanvasRenderingContext2D; width: number; height: number } {
  const width = (canvas.width = Math.max(1, canvas.clientWidth * devicePixelRatio));
  const height = (canvas.height = Math.max(1, canvas.clientHeight * devicePixelRatio));
  return { context: canvas.getContext("2d")!, width, height };
}
