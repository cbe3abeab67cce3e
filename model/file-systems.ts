// File systems by the names that Linux has for them. Pure.

/** Those of other machines. */
const remote = [
  ...["nfs4?", "cifs", "smb3?", "smbfs", "9p", "afs", "ceph", "lustre", "gpfs", "glusterfs"],
  ...["beegfs", "wekafs", "panfs", "orangefs", "pvfs2", "ocfs2", "gfs2"],
  ...["fuse\\..*", "fuseblk", "fuse"],
];

const pattern = new RegExp(`^(${remote.join("|")})$`);

/** Whether locks and shared memory may not hold on it, and others may see the same files. */
export function isRemoteFileSystem(type: string): boolean {
  return pattern.test(type);
}
