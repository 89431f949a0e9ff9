/** A request as the simulator's parts see it. `body` is {} when none came. */
export type SimRequest = {
  method: string;
  /** Without the query and without a slash at its end. */
  path: string;
  /** As it was sent, query and all. */
  url: string;
  headers: Readonly<Record<string, string | string[] | undefined>>;
  body: Readonly<Record<string, unknown>>;
};

export type SimAnswer = { status: number; headers: Record<string, string>; body: unknown };

export type Json = { [name: string]: unknown };

export const answer = (status: number, body: unknown = undefined, headers: Record<string, string> = {}): SimAnswer => ({
  status,
  headers,
  body,
});

/** A refusal with one message (DSP0266, "Error responses"). `id` without a registry is one of Base; `about` are the message's arguments. */
export function refuse(status: number, id: string, text: string, about: string[] = []): SimAnswer {
  const full = id.includes('.') ? id : `Base.1.8.${id}`;
  const message = {
    '@odata.type': '#Message.v1_1_1.Message',
    MessageId: full,
    Message: text,
    MessageArgs: about,
    Severity: 'Warning',
  };
  const error = {
    code: 'Base.1.8.GeneralError',
    message: 'A general error has occurred.',
    '@Message.ExtendedInfo': [message],
  };
  return answer(status, { error });
}
