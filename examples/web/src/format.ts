// Numbers and instants as text. The application and its dates are in English; instants are in the browser's time zone.

const number = new Intl.NumberFormat("en");
const date = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });
const time = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const full = new Intl.DateTimeFormat("en-GB", { dateStyle: "full", timeStyle: "long" });

export const formatNumber = (n: number) => number.format(n);
export const formatDate = (instant: string) => date.format(new Date(instant));
export const formatTime = (instant: string) => time.format(new Date(instant));
export const formatInstant = (instant: string) => full.format(new Date(instant));

/** A score from -1 to 1, always with its sign. */
export function formatScore(score: number): string {
  const digits = Math.abs(score).toFixed(2);
  return (digits === "0.00" ? "±" : score < 0 ? "−" : "+") + digits;
}

export const plural = (n: number, one: string, many = one + "s") => `${formatNumber(n)} ${n === 1 ? one : many}`;
