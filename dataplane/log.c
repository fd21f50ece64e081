#include "dataplane/log.h"

RTE_LOG_REGISTER(weir_logtype, weir, NOTICE)
