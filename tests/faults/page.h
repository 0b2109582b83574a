/* What the traced processes and the test share: see instants.py. */
#include <stdint.h>

enum { OFF, COUNT, KILL, FAIL, COUNT_FAILING };
enum { NOBODY = 0, ENGINE = 1, ZYGOTE = 2, SHIM = 4, RUNTIME = 8 };
#define LABEL 96
#define LABELS 4096

struct page {
    uint32_t action, roles, at, error, count, fired;
    uint32_t spared; /* a process that is left alone */
    uint32_t victim; /* who is killed at the instant; 0: whose call it is */
    char labels[LABELS][LABEL]; /* what was called, in order; the first has number 1 */
};
