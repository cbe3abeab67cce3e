// Smoke tests of files that arrive: the workdir and file_mounts from the user's machine.
//
// SkyPilot's using_file_mounts, as far as it needs no bucket.

import { smoke } from "./script.ts";

const sources = `
  mkdir -p mounts/folder/deep mounts/folder/ignored mounts/folder/empty
  echo file > mounts/file.txt
  echo spaces > "mounts/a file.txt"
  echo deep > mounts/folder/deep/file.txt
  echo never > mounts/folder/ignored/file.txt
  echo ignored > mounts/folder/.gitignore
  ln -s /nowhere/at/all mounts/folder/broken
  printf '#!/bin/sh\\necho executed\\n' > mounts/folder/tool && chmod 755 mounts/folder/tool
  cp -r mounts/folder/. workdir
  mktemp -u -d > root
  sed "s,ROOT,$(cat root),g" using_file_mounts.yaml > mounts.yaml`;

smoke("files", [
  {
    name: "file_mounts",
    commands: (c) => [
      sources,
      `sky launch -y -c ${c} mounts.yaml`,
      `sky logs ${c} 1 --status`,
      `test $(sky logs ${c} 1 | grep -c "all is there") = 2`,
      // What is changed here arrives with the next launch, on every node.
      "echo changed > mounts/file.txt",
      `sky launch -y -c ${c} mounts.yaml; test $? = 100`,
      `sky exec ${c} --num-nodes 2 'grep changed ~/file.txt'`,
    ],
    // Links outside of the nodes' homes go with the cluster.
    teardown: (c) => `sky down -y ${c} && ! test -e "$(cat root)"`,
  },
]);
