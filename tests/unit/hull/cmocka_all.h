/* What <cmocka.h> wants to find before itself. */
#ifndef TESTS_UNIT_HULL_CMOCKA_ALL_H
#define TESTS_UNIT_HULL_CMOCKA_ALL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
