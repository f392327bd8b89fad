package app.item.service.impl;

import app.item.service.ItemService;
import app.item.service.ItemVO;
import jakarta.annotation.Resource;
import java.util.List;
import org.egovframe.rte.fdl.cmmn.EgovAbstractServiceImpl;
import org.springframework.stereotype.Service;
import org.springframework.transaction.annotation.Transactional;

@Service("itemService")
public class ItemServiceImpl extends EgovAbstractServiceImpl implements ItemService {
	@Resource(name = "itemMapper")
	private ItemMapper itemMapper;

	@Override
	public List<ItemVO> selectItemList(int first, int size) {
		return itemMapper.selectItemList(first, size);
	}

	@Override
	public int selectItemCount() {
		return itemMapper.selectItemCount();
	}

	@Override
	@Transactional(rollbackFor = Exception.class)
	public void insertItem(ItemVO item) throws Exception {
		item.setName(item.getName().strip());
		if (itemMapper.insertItem(item) != 1)
			throw processException("item.not.added", new String[] {item.getName()});
		egovLogger.debug("added {}", item.getName());
	}
}
