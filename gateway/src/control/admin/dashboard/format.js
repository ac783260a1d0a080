// Figures as people read them: few digits, a unit, and a dash where there is nothing to tell.

export const NOTHING = "\u2013";

/** A count, in groups of three. */
export function count(number) {
  return number === null || number === undefined ? NOTHING : Math.round(number).toLocaleString("en");
}

/** Something a second: three digits. */
export function rate(number) {
  if (number === null || number === undefined) return NOTHING;
  if (number === 0) return "0";
  if (number < 0.01) return "<0.01";
  if (number < 1) return number.toFixed(2);
  if (number < 10) return number.toFixed(1);
  if (number < 10_000) return count(number);
  return number < 1e6 ? `${digits(number / 1e3)}k` : `${digits(number / 1e6)}M`;
}

/** Seconds, in the unit that they have. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return NOTHING;
  if (seconds === 0) return "0";
  if (seconds < 1e-6) return `${digits(seconds * 1e9)} ns`;
  if (seconds < 1e-3) return `${digits(seconds * 1e6)} \u00b5s`;
  if (seconds < 1) return `${digits(seconds * 1e3)} ms`;
  if (seconds < 120) return `${digits(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

export function bytes(number) {
  if (number === null || number === undefined) return NOTHING;
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (number >= 1024 && unit < units.length - 1) {
    number /= 1024;
    unit += 1;
  }
  return unit === 0 ? `${number} B` : `${digits(number)} ${units[unit]}`;
}

/** A part of a whole, 0 to 1. */
export function percent(part) {
  if (part === null || part === undefined) return NOTHING;
  const hundred = part * 100;
  if (hundred === 0) return "0 %";
  if (hundred < 0.1) return "<0.1 %";
  return `${hundred < 10 ? hundred.toFixed(1) : Math.round(hundred)} %`;
}

/** Seconds since 1970 as a time of day here. */
export function clock(at) {
  return new Date(at * 1000).toLocaleTimeString("en-GB");
}

/** The same with the day, as machines and people read it. */
export function moment(at) {
  const day = new Date(at * 1000);
  const two = (number) => String(number).padStart(2, "0");
  return `${day.getFullYear()}-${two(day.getMonth() + 1)}-${two(day.getDate())} ${day.toLocaleTimeString("en-GB")}`;
}

export function plural(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}

function digits(number) {
  if (number >= 99.5) return String(Math.round(number));
  return number >= 9.95 ? String(Math.round(number)) : number.toFixed(1);
}
