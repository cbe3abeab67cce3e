// Whose a job is: several users share a cluster, and nobody cancels another's job. Pure.
//
// A job of nobody (whoever submitted it did not say) is anybody's: each sees it among their own.

import { SkyError } from "../model/errors.ts";

interface Owned {
  readonly user: string;
}

export function isOwn({ user: owner }: Owned, user: string): boolean {
  return owner === "" || owner === user;
}

/** @throws SkyError `job/not-yours`, for the first of them that is another's. */
export function demandOwn(
  jobs: readonly (Owned & { readonly id: number })[],
  { user, cluster }: { readonly user: string; readonly cluster: string },
): void {
  const other = jobs.find((job) => !isOwn(job, user));
  if (other === undefined) return;
  const who = user === "" ? "who does not say who they are" : user;
  throw new SkyError("job/not-yours", {
    id: other.id,
    name: cluster,
    owner: other.user,
    user: who,
  });
}
