/* How a user's states lie in memory: everything of a user that does not depend on a candidate.
 *
 * They are planes of rows, one row a behavior, so that they can be continued: the states of T + 1
 * behaviors begin with those of T.
 */

struct user_states {
    float *behavior_sum_E;
    float *extracted_H; /* the extractor's last state */
    float *values_TH;   /* what is pooled or evolved */
    float *keys_TA;     /* the user half of attention; the values themselves without key_columns */
    float *inputs_TG;   /* W x + b of the evolution; without rows where it has run already */
    int64_t value_stride, key_stride, input_stride;
};

static int runs_once_per_user(const struct interest *interest) {
    return interest->evolution_cell &&
           (interest->evolution == POOL || interest->evolution == LAST_STATE);
}

static int runs_per_candidate(const struct interest *interest) {
    return interest->evolution_cell && !runs_once_per_user(interest);
}

/* Where an interest's states are, taken from memory that holds those of all interests. */
static struct user_states take_states(struct workspace *memory, const struct interest *interest,
                                      int64_t steps) {
    struct user_states states = {
        .behavior_sum_E = take(memory, interest->embedding),
        .extracted_H = take(memory, interest->hidden),
        .value_stride = padded(interest->hidden),
        .key_stride = padded(interest->key_width),
        .input_stride = runs_per_candidate(interest) ? padded(3 * interest->hidden) : 0,
    };
    states.values_TH = take(memory, steps * states.value_stride);
    states.keys_TA = take(memory, steps * states.key_stride);
    states.inputs_TG = take(memory, steps * states.input_stride);
    if (!interest->key_columns) {
        states.keys_TA = states.values_TH;
        states.key_stride = states.value_stride;
    }
    return states;
}
