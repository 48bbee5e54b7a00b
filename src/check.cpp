#include "check.hpp"

#include "compat.hpp"
#include "trust.hpp"

extern "C"
{
#include "catalog/pg_constraint.h"
#include "utils/array.h"
#include "utils/typcache.h"
}

namespace contact_sync
{

namespace
{

Datum value_of(Oid type, int32 typmod, const char *text)
{
	Oid input;
	Oid parameter;
	const Oid base = getBaseTypeAndTypmod(type, &typmod);
	getTypeInputInfo(base, &input, &parameter);
	return OidInputFunctionCall(input, const_cast<char *>(text), parameter, typmod);
}

/// The column that a constraint of a table is on, or InvalidAttrNumber where it is not on exactly one.
AttrNumber only_column(HeapTuple constraint)
{
	bool null;
	const Datum columns = SysCacheGetAttr(CONSTROID, constraint, Anum_pg_constraint_conkey, &null);
	if (null)
		return InvalidAttrNumber;
	const ArrayType *array = DatumGetArrayTypeP(columns);
	return ARR_DIMS(array)[0] == 1 ? *reinterpret_cast<const AttrNumber *>(ARR_DATA_PTR(array)) : InvalidAttrNumber;
}

/// Makes a row of a table that has nothing but the value in one column, for the expression to read.
void expose(ExprContext &context, Oid table, AttrNumber column, const char *value)
{
	const TupleDesc columns = lookup_rowtype_tupdesc_copy(get_rel_type_id(table), -1);
	const Form_pg_attribute attribute = TupleDescAttr(columns, column - 1);
	TupleTableSlot *row = ExecStoreAllNullTuple(MakeSingleTupleTableSlot(columns, &TTSOpsVirtual));
	row->tts_values[column - 1] = value_of(attribute->atttypid, attribute->atttypmod, value);
	row->tts_isnull[column - 1] = false;
	context.ecxt_scantuple = row;
}

} // namespace

bool is_refused(Oid constraint, const char *value)
{
	const HeapTuple tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(constraint));
	if (!HeapTupleIsValid(tuple))
		return false;
	const auto form = *reinterpret_cast<Form_pg_constraint>(GETSTRUCT(tuple));
	const AttrNumber column = OidIsValid(form.conrelid) ? only_column(tuple) : InvalidAttrNumber;
	bool null;
	const Datum tree = SysCacheGetAttr(CONSTROID, tuple, Anum_pg_constraint_conbin, &null);
	Node *expression = null ? nullptr : static_cast<Node *>(stringToNode(TextDatumGetCString(tree)));
	ReleaseSysCache(tuple);
	if (form.contype != CONSTRAINT_CHECK || expression == nullptr || !is_computation(expression) ||
		(OidIsValid(form.conrelid) && column == InvalidAttrNumber))
		return false;

	EState *executor = CreateExecutorState();
	ExprContext *context = GetPerTupleExprContext(executor);
	if (OidIsValid(form.conrelid))
		expose(*context, form.conrelid, column, value);
	else
	{
		context->domainValue_datum = value_of(form.contypid, -1, value);
		context->domainValue_isNull = false;
	}
	ExprState *state = ExecPrepareExpr(reinterpret_cast<Expr *>(expression), executor);
	const bool accepted = ExecCheck(state, context);
	FreeExecutorState(executor);
	return !accepted;
}

} // namespace contact_sync
