// At night (22 to 6 o'clock, UTC) requests go to the route's second upstream: a smaller one, or one where power is cheap.
#include "plugin.h"

enum { BEGINS = 22, ENDS = 6 };

void exports_sluice_plugin_lifecycle_describe(exports_sluice_plugin_lifecycle_description_t *ret) {
    plugin_string_dup(&ret->name, "time-of-day");
    plugin_string_dup(&ret->version, "0.1.0");
    plugin_string_dup(&ret->summary, "The second upstream at night");
    plugin_string_dup(&ret->config_schema, "");
}

bool exports_sluice_plugin_lifecycle_configure(plugin_string_t *config,
                                               exports_sluice_plugin_lifecycle_list_issue_t *err) {
    plugin_string_free(config);
    return true;
}

void exports_sluice_plugin_routing_route(exports_sluice_plugin_routing_input_t *input,
                                         exports_sluice_plugin_routing_borrow_request_t request,
                                         exports_sluice_plugin_routing_decision_t *ret) {
    // Microseconds since 1970, by the gateway's clock and not by WASI's: so a test decides what time it is.
    unsigned hour = (unsigned)(input->now / 3600000000ull % 24);
    bool night = hour >= BEGINS || hour < ENDS;
    ret->tag = EXPORTS_SLUICE_PLUGIN_ROUTING_DECISION_UPSTREAM;
    ret->val.upstream = (exports_sluice_plugin_routing_choice_t){.upstream = night ? 1 : 0, .tag = 0};
    sluice_plugin_types_request_drop_borrow(request);
}
