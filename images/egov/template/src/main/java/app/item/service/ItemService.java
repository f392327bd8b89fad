package app.item.service;

import java.util.List;

public interface ItemService {
	List<ItemVO> selectItemList(int first, int size) throws Exception;

	int selectItemCount() throws Exception;

	void insertItem(ItemVO item) throws Exception;
}
