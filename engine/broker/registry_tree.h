/*
 * The file tree of a registry (CNCF distribution, filesystem driver), as far as mending it needs.
 *
 *   docker/registry/v2/blobs/sha256/XX/HEX/data                 layers, configs, manifests
 *   docker/registry/v2/repositories/REPO/_uploads/UUID/...      under way
 *                                  .../_layers/sha256/HEX/link  "sha256:HEX", 71 bytes
 *                                  .../_manifests/revisions/sha256/HEX/link
 *                                  .../_manifests/tags/TAG/current/link
 *
 * Layers are moved into place whole, but links and manifests are created and then written: a full
 * disk or a lost machine leaves them empty or cut, the registry takes them for good and believes
 * ever after that it has them.  Mending removes those.  No push may be under way.
 */
#ifndef ENGINE_BROKER_REGISTRY_TREE_H
#define ENGINE_BROKER_REGISTRY_TREE_H

#include <stdint.h>

/* root: descriptor of the storage.  Returns how many things were removed. */
int registry_tree_mend(int root);
/* Bytes of all blobs. */
int64_t registry_tree_size(int root);

#endif
