/* hostile.h -- what every decoder must survive.
 *
 * The bytes are copied to the heap at their exact size, so that a sanitizer or
 * valgrind sees a read past the end.
 */
#ifndef TESTS_UNIT_WIRE_HOSTILE_H
#define TESTS_UNIT_WIRE_HOSTILE_H

#include "raft/core/types.h"

/* True when the decoder took the bytes. It releases what it got. */
typedef bool (*hostile_decode)(struct bytes src);

/* Takes the whole, and nothing shorter or longer. */
void hostile_cuts(struct bytes good, hostile_decode decode);
/* Changes each bit: none may be taken. For what has a checksum. */
void hostile_flips_refused(struct bytes good, hostile_decode decode);
/* Seeded noise: changed bytes, lengths, random bodies. Only must not crash. */
void hostile_noise(struct bytes good, hostile_decode decode);

#endif
