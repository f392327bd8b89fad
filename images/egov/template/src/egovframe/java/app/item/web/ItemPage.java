package app.item.web;

import org.egovframe.rte.ptl.mvc.tags.ui.pagination.PaginationInfo;

/** Which rows a page of the list shows. */
public class ItemPage extends PaginationInfo {
	public ItemPage(int page, int total) {
		setRecordCountPerPage(100);
		setPageSize(10);
		setTotalRecordCount(total);
		setCurrentPageNo(Math.max(1, Math.min(page, getTotalPageCount())));
	}
}
