/* golden.h -- encoded bytes that must never change by accident.
 *
 * tests/golden/NAME.hex holds the bytes as text, 16 to a line. A test that
 * makes the same thing compares; run it with RAFTFS_GOLDEN_WRITE=1 to write the
 * files anew, which is right only together with a new version number of the
 * format.
 */
#ifndef TESTS_UNIT_WIRE_GOLDEN_H
#define TESTS_UNIT_WIRE_GOLDEN_H

#include "raft/core/types.h"

void golden_check(const char *name, struct bytes made);

#endif
