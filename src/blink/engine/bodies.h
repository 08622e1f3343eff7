/* Hand-written instruction bodies: the targets of s.call() in the instruction set. */
#ifndef BLINK_BODIES_H
#define BLINK_BODIES_H
#include "cpu.h"

#endif
