// Requests of our own scripts: forms go out, JSON comes back, and what is refused is a sentence.
export class Refused extends Error {
  constructor(status, sentence) {
    super(sentence);
    this.status = status;
  }
}

export async function ask(address, { method = "GET", fields = {}, csrf = "", signal } = {}) {
  let answer;
  try {
    answer = await fetch(address, {
      method,
      signal,
      headers: { Accept: "application/json", ...(csrf && { "X-CSRF-Token": csrf }) },
      body: method === "GET" ? undefined : new URLSearchParams(fields),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, "The service does not answer; check the line.");
  }
  if (answer.status === 401) {
    location.reload();
    throw new Refused(401, "Your session has ended; sign in again.");
  }
  if (!answer.ok) {
    const said = await answer.json().catch(() => ({}));
    throw new Refused(answer.status, said.detail ?? `The service answered with ${answer.status}.`);
  }
  return answer.json();
}
