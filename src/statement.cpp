#include "statement.hpp"

#include "compat.hpp"
#include "fault.hpp"
#include "foreign_code.hpp"
#include "guard.hpp"

extern "C"
{
#include "catalog/pg_type.h"
#include "optimizer/optimizer.h"
#include "utils/plancache.h"
#include "utils/snapmgr.h"
}

namespace contact_sync
{

namespace
{

/// A table's CHECK constraints, ready to be executed. Kept with the binding.
struct CompiledChecks
{
	Oid table;
	ExprState **states; ///< null where the executor is to compile them itself
};

CompiledChecks *compile_checks(Relation table)
{
	auto *compiled = static_cast<CompiledChecks *>(palloc0(sizeof(CompiledChecks)));
	compiled->table = RelationGetRelid(table);

	const TupleConstr *constraints = RelationGetDescr(table)->constr;
	const int size = constraints == nullptr ? 0 : constraints->num_check;
	if (size == 0 || size != table->rd_rel->relchecks)
		return compiled;

	auto **states = static_cast<ExprState **>(palloc(sizeof(ExprState *) * size));
	for (int i = 0; i < size; i++)
	{
		Node *check = without_virtual(static_cast<Node *>(stringToNode(constraints->check[i].ccbin)), table);
		// What does more than compute could come back here while it is at work, and find its own state in use.
		if (!is_enforced(constraints->check[i]) || !is_computation(check))
			return compiled;
		states[i] = ExecInitExpr(expression_planner(reinterpret_cast<Expr *>(check)), nullptr);
	}
	compiled->states = states;
	return compiled;
}

/// Gives the executor what ExecRelCheck() would else read from the catalog and compile at each start (execMain.c): it
/// is a third of what a single row costs.
void lend_checks(Binding &binding, const EState *executor)
{
	const auto compiled = [&binding](Relation table)
	{
		ListCell *cell;
		foreach (cell, binding.checks)
			if (static_cast<CompiledChecks *>(lfirst(cell))->table == RelationGetRelid(table))
				return static_cast<CompiledChecks *>(lfirst(cell));
		const MemoryContext caller = MemoryContextSwitchTo(binding.context);
		CompiledChecks *made = compile_checks(table);
		binding.checks = lappend(binding.checks, made);
		MemoryContextSwitchTo(caller);
		return made;
	};

	ListCell *cell;
	foreach (cell, executor->es_opened_result_relations)
	{
		auto *result = static_cast<ResultRelInfo *>(lfirst(cell));
		compiled_checks(*result) = compiled(result->ri_RelationDesc)->states;
	}
}

ParamListInfo parameters_of(const Binding &binding, const Batch &batch, bool many)
{
	const Batch::Parameters values = many ? batch.as_arrays() : batch.as_scalars();
	const Oid flag = many ? BOOLARRAYOID : BOOLOID;
	ParamListInfo parameters = makeParamList(3);
	parameters->params[0] = {values.key, false, 0, many ? get_array_type(binding.id.type) : binding.id.type};
	parameters->params[1] = {values.whatsapp, false, 0, flag};
	parameters->params[2] = {values.phone, false, 0, flag};
	return parameters;
}

/// The plan for any parameters; to be released. Where it has to be made, it is made to look rows up by index, one by
/// one: made while a table is empty, it must serve it when it is full.
CachedPlan *plan_of(CachedPlanSource *source)
{
	const bool is_made = source->is_valid && source->gplan != nullptr && source->gplan->is_valid;
	const int guc_level = is_made ? 0 : NewGUCNestLevel();
	if (!is_made)
		for (const char *option : {"enable_seqscan", "enable_hashjoin", "enable_mergejoin", "jit"})
			set_option(option, "off");
	fault("plan");
	// Without parameters: no plan_cache_mode makes it plan for these alone.
	CachedPlan *plan = GetCachedPlan(source, nullptr, CurrentResourceOwner, nullptr);
	if (!is_made)
		AtEOXact_GUC(true, guc_level);
	return plan;
}

/// An error_context_stack callback.
void tell_statement(void *sql)
{
	errcontext("SQL statement \"%s\"", static_cast<const char *>(sql));
}

} // namespace

const char *from_batch(bool many, bool in_order)
{
	if (!many)
		return "(SELECT $1, $2, $3) AS k (id, whatsapp, phone)";
	return psprintf("(SELECT * FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3))%s) "
					"AS k (id, whatsapp, phone)",
					in_order ? " ORDER BY 1" : "");
}

const char *from_customers(const Binding &binding, bool many, bool in_order)
{
	return psprintf("%s JOIN %s AS c ON c.%s %s k.id", from_batch(many, in_order), binding.table_name,
					quote_identifier(NameStr(binding.id.name)), binding.key_equality);
}

SPIPlanPtr prepare(Binding &binding, const char *sql, bool many)
{
	const Oid key = many ? get_array_type(binding.id.type) : binding.id.type;
	const Oid flag = many ? BOOLARRAYOID : BOOLOID;
	Oid types[] = {key, flag, flag};

	SPI_connect();
	fault("prepare");
	const SPIPlanPtr plan = SPI_prepare(sql, lengthof(types), types);
	if (plan == nullptr)
		ereport(ERROR, errcode(ERRCODE_INTERNAL_ERROR),
				errmsg("contact_sync: SPI_prepare returned %s", SPI_result_code_string(SPI_result)));
	SPI_keepplan(plan);
	SPI_finish();

	const MemoryContext caller = MemoryContextSwitchTo(binding.context);
	binding.plans = lappend(binding.plans, plan);
	MemoryContextSwitchTo(caller);
	return plan;
}

uint64 execute(Binding &binding, SPIPlanPtr plan, const Batch &batch, bool many)
{
	auto *source = static_cast<CachedPlanSource *>(linitial(SPI_plan_get_plan_sources(plan)));
	ErrorContextCallback context = {error_context_stack, tell_statement, const_cast<char *>(source->query_string)};
	error_context_stack = &context;

	const ParamListInfo parameters = parameters_of(binding, batch, many);
	CachedPlan *cached = plan_of(source);
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	QueryDesc *query = CreateQueryDesc(linitial_node(PlannedStmt, cached->stmt_list), source->query_string,
									   GetActiveSnapshot(), InvalidSnapshot, None_Receiver, parameters, nullptr, 0);
	ExecutorStart(query, 0);
	lend_checks(binding, query->estate);
	fault("execute");
	run(query);
	ExecutorFinish(query);
	fault("executed");
	const uint64 touched = query->estate->es_processed;
	ExecutorEnd(query);
	FreeQueryDesc(query);
	PopActiveSnapshot();
	ReleaseCachedPlan(cached, CurrentResourceOwner);

	error_context_stack = context.previous;
	return touched;
}

} // namespace contact_sync
