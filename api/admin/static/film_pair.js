// Two films, one clock: the second follows the first, by small changes of speed or by a jump.
const JUMP_S = 0.2;
const HASTE = 0.2;
const GAIN = 5;

// Resolves once a film can be drawn, rejects where this browser cannot play it.
export function load(video, address) {
  return new Promise((resolve, reject) => {
    const done = (act) => { video.removeEventListener("loadedmetadata", look); video.removeEventListener("error", fail); act(); };
    // A film whose picture has no decoder may still play its sound.
    const look = () => done(video.videoWidth > 0 ? resolve : reject);
    const fail = () => done(reject);
    video.addEventListener("loadedmetadata", look);
    video.addEventListener("error", fail);
    video.src = address;
    video.load();
  });
}

export class FilmPair extends EventTarget {
  constructor(lead, other, framesPerS) {
    super();
    this.lead = lead;
    this.other = other;
    this.framesPerS = framesPerS;
    this.speed = 1;
    this.wantsToPlay = false;
    this.shownAt = 0;
    for (const film of this.films) {
      film.addEventListener("canplay", () => this.keepTogether());
      film.addEventListener("seeked", () => this.keepTogether());
      film.addEventListener("waiting", () => this.keepTogether());
    }
    lead.addEventListener("ended", () => this.pause());
    for (const name of ["timeupdate", "seeked", "durationchange"]) lead.addEventListener(name, () => this.tell());
    this.watch();
  }

  get films() { return this.other ? [this.lead, this.other] : [this.lead]; }

  get duration() { return Number.isFinite(this.lead.duration) ? this.lead.duration : 0; }

  get isPlaying() { return this.wantsToPlay; }

  get at() { return this.lead.currentTime; }

  // Counted from 0; where the rate is not known, from what was seen.
  get frame() { return Math.floor(this.at * this.framesPerS + 0.01); }

  // How far apart they are, in seconds.
  get drift() { return this.other ? this.other.currentTime - this.lead.currentTime : 0; }

  watch() {
    if (this.lead.requestVideoFrameCallback) {
      const seen = (_, frame) => {
        this.shownAt = frame.mediaTime;
        this.keepTogether();
        this.tell();
        this.lead.requestVideoFrameCallback(seen);
      };
      this.lead.requestVideoFrameCallback(seen);
    } else {
      setInterval(() => { if (this.wantsToPlay) { this.keepTogether(); this.tell(); } }, 40);
    }
  }

  keepTogether() {
    const { lead, other } = this;
    const isReady = this.films.every((film) => film.readyState >= 3 && !film.seeking || film.ended);
    if (this.wantsToPlay && isReady) {
      for (const film of this.films) if (film.paused && !film.ended) film.play().catch(() => this.pause());
    } else {
      for (const film of this.films) if (!film.paused) film.pause();
    }
    if (!other || lead.seeking || other.seeking || other.ended) return;
    const drift = this.drift;
    const frameS = 1 / this.framesPerS;
    if (Math.abs(drift) > JUMP_S || (!this.wantsToPlay && Math.abs(drift) > frameS / 10)) other.currentTime = lead.currentTime;
    else if (this.wantsToPlay) {
      const push = Math.abs(drift) > frameS / 4 ? Math.max(-HASTE, Math.min(HASTE, drift * GAIN)) : 0;
      const rate = this.speed * (1 - push);
      // Each change costs the browser something.
      if (Math.abs(other.playbackRate - rate) > 0.01) other.playbackRate = rate;
    }
  }

  play() {
    if (this.lead.ended || this.at >= this.duration - 0.01) this.seek(0);
    this.wantsToPlay = true;
    this.setSpeed(this.speed);
    this.keepTogether();
    this.tell();
  }

  pause() {
    this.wantsToPlay = false;
    this.keepTogether();
    this.tell();
  }

  seek(seconds) {
    const target = Math.max(0, Math.min(this.duration, seconds));
    for (const film of this.films) film.currentTime = target;
    this.tell();
  }

  // To the middle of a frame, so that no rounding shows its neighbour.
  step(frames) {
    this.pause();
    this.seek((Math.max(0, this.frame + frames) + 0.5) / this.framesPerS);
  }

  setSpeed(speed) {
    this.speed = speed;
    for (const film of this.films) film.playbackRate = speed;
  }

  tell() { this.dispatchEvent(new Event("change")); }
}
