// How numbers are written.

export function thousands(number) {
  return number.toLocaleString("en-GB");
}
