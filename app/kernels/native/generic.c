/* The kernel for any CPU: what the compiler makes of 128-bit vectors (SSE2, NEON). */
#include "kernel.h"

int ctr_score_generic(const struct model *model, const struct batch *batch, float *logits_C,
                      float *attention_CT) {
    return score(model, batch, logits_C, attention_CT);
}
