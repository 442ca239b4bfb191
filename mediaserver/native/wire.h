/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers in network byte order, of packets and of the feed.
 */
#ifndef VIDEOHOME_WIRE_H
#define VIDEOHOME_WIRE_H
#include <stdint.h>

static inline unsigned get16(const uint8_t *at) { return (unsigned)at[0] << 8 | at[1]; }
static inline uint32_t get32(const uint8_t *at) { return (uint32_t)get16(at) << 16 | get16(at + 2); }

/* The lowest bits of a number; what is above them is left out. */
static inline void put16(uint8_t *at, unsigned long value) { at[0] = (uint8_t)(value >> 8), at[1] = (uint8_t)value; }
static inline void put32(uint8_t *at, unsigned long value) { put16(at, value >> 16), put16(at + 2, value); }
#endif
