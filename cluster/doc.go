// Package cluster is what one node needs to know of the others: who owns an address, and how to send a frame to its owner.
//
// It knows no stanza and no session: a Frame is plain data, and what it means is written in core/nodes*.go alone. Single is the cluster of a
// lone node, Memory joins several nodes in one process for tests.
//
// Membership is fixed while a cluster lives. An owner that moves because members come or go, and the leases that make sure that there are
// never two, need a Cluster that watches its members; the Epoch that Owner returns is kept for it.
package cluster
