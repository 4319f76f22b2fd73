/* The whole kernel, to be compiled once for each instruction set. */
#include <stdlib.h>

#include "tile.h"
#include "user_states.h"
#include "scoring.h"

struct memory {
    struct encoding encoding;
    struct scoring scoring;
};

static struct memory take_memory(struct workspace *workspace, const struct model *model,
                                 int64_t steps) {
    struct memory memory = {take_encoding(workspace, model, steps),
                            take_scoring(workspace, model, steps)};
    take(workspace, 2 * ALIGN_FLOATS); /* a load may reach past the last row */
    return memory;
}

static int score(const struct model *model, const struct batch *batch, float *logits_C,
                 float *attention_CT) {
    int64_t steps_of_longest = 0;
    for (int64_t user = 0; user < batch->users; user++)
        steps_of_longest = most(steps_of_longest, batch->lengths_U[user]);
    struct workspace workspace = {0};
    take_memory(&workspace, model, steps_of_longest);
    void *memory = NULL;
    if (posix_memalign(&memory, 64, (size_t)workspace.used_floats * sizeof(float))) return 1;
    workspace = (struct workspace){memory, 0};
    struct memory pieces = take_memory(&workspace, model, steps_of_longest);
    const int64_t *rows_NF = batch->behaviors_NF;
    for (int64_t user = 0; user < batch->users; user++) {
        const int64_t steps = batch->lengths_U[user];
        const int64_t known = batch->known_U[user];
        if (known < steps || steps == 0)
            encode_user(model, rows_NF, known, batch->earlier_U[user], steps, pieces.encoding,
                        batch->states_U[user]);
        score_user(model, batch, user, pieces.scoring, logits_C, attention_CT);
        rows_NF += steps * model->behavior_fields;
    }
    free(memory);
    return 0;
}
